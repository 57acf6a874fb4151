#!/bin/sh
# Installs eiwflow with the CPU build of PyTorch on Debian or Ubuntu, from a checkout or a wheel.
# The Dockerfile, the devcontainer and the tests run exactly this.
#
#   docs/deploy/install.sh SOURCE [FOLDER]
#
# SOURCE: a checkout or a .whl file. FOLDER: of the virtual environment (default: /opt/eiwflow).
# EIWFLOW_TORCH_INDEX: where PyTorch comes from (default: its CPU builds); empty for where all else comes from.
set -eu

source=${1:?"usage: install.sh SOURCE [FOLDER]"}
folder=${2:-/opt/eiwflow}

if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "eiwflow needs Python 3.11; this system has an older one.")'
fi

python3 -m venv "$folder"
# PyTorch's CPU build saves about 2.7 GB: the usual one on Linux brings CUDA.
index=${EIWFLOW_TORCH_INDEX-https://download.pytorch.org/whl/cpu}
if [ -n "$index" ]; then
    "$folder/bin/pip" install --quiet --no-cache-dir --index-url "$index" "torch>=2.10,<3" "torchvision>=0.25,<1"
fi
"$folder/bin/pip" install --quiet --no-cache-dir "$source[app]"
"$folder/bin/eiwflow" --help >/dev/null
echo "Installed in $folder, $(du -sm "$folder" | cut -f1) MB. Start it: $folder/bin/eiwflow app"
