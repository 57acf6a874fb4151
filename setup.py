"""Packs the app beside the package: app.py, pages, assets and Streamlit's settings become the folder eiwflow/site."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["eiwflow*"]), "eiwflow.site"],
    package_dir={"eiwflow.site": "."},
    package_data={
        "eiwflow": ["py.typed", "**/*.js", "**/*.css", "**/*.md"],
        "eiwflow.site": [
            ".streamlit/config.toml",
            "pages/*.py",
            *(
                f"assets/{folder}/**"
                for folder in ("checkpoints", "data", "lesson", "presets", "studies", "style", "texts")
            ),
        ],
    },
    include_package_data=False,
)
