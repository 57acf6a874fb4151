"""Texts that are more than a sentence."""

WORDS = """
**h** – marginal entropy, *measured on the figure's samples*.

**Ĥ** – entropy rate, and **J** – redundancy: how far Ĥ lies below that of white noise of the same power.
*J decides the order*: what is nearest to white noise leaves.

**ω** – *learned*: the weight that scales a channel of an image; shown as log ω, in nats.

**ε** – what leaves, standardised by its prior: standard normal noise, if the flow is right.

**bits/dim** – the cost of one number (one colour of one pixel); 8 would be the raw byte.

None of h, Ĥ, J and ω is a quantity of the original code; “About EIW-Flow” in the side bar tells what is.
"""

ABOUT = """
EIW-Flow (Chen, Du, Li, Zeng, Paisley: *Entropy-Informed Weighting Channel Normalizing Flow for Deep
Generative Models*, [arXiv 2407.04958](https://arxiv.org/abs/2407.04958); Pattern Recognition 2025) puts a
*Shuffle* before every split of a Glow-like flow.

**What its released code does.** A small network makes softmax weights *from a constant*, and channels are
sorted by them: for one checkpoint the order is the same for every image. A squeeze-and-excitation block
makes weights that depend on the image, but they enter only through a KL term, which is handed
probabilities where log-probabilities belong. Nothing ties either to an entropy. The paper's full text was
not at hand when this was written.

**What is shown here.** `shuffle` is a repair of that operation: channels in the order of their redundancy
J, no weights in the density. `weighted` goes beyond it: every channel of every image is also scaled by ω,
exactly invertibly. `static-first`, `static-last` and `random` are what they are compared with.
"""

#: Per page: how it is read, and its formula.
HOW_TO_READ = {
    "home": (
        """
**The strip.** Every level *squeezes* (each 2×2 patch becomes four channels), runs its *steps*, and then,
except the last, *splits*: one half of the channels goes on, the other leaves. With a *Shuffle* the half
with the most structure (J) goes on, and maps stand in that order. What leaves is standardised by its
prior, ε = (z − μ)/σ, and looks like noise where the flow has understood the image. Every map is drawn at
the same scale: the dashed boxes together hold as many numbers as the image.

**The staircase.** The flow is stopped after level *l*: all that has left counts as it always does, and
the half that would have gone on is scored by one Gaussian a channel, fitted on training images. *No
level* is that Gaussian on the pixels. The last stair is the flow's own bits/dim, which bounds the cost of
the image's bytes from above.

**There and back.** decode(encode(x)) − x, per pixel the largest over colours; one grey level is 1/256.
What is left is the rounding of 32-bit numbers.
""",
        r"""
\begin{aligned}
& \text{bits/dim}_l = 8 - \frac{1}{D \ln 2} \Big[ \textstyle \sum_{i \le l} \log|\det\nolimits_i| \\
& \quad + \textstyle \sum_{i \le l} \log \mathcal N(\varepsilon_i; 0, I) \\
& \quad + \textstyle \sum_c \log \mathcal N(h_{l,c}; m_{l,c}, s_{l,c}^2) \Big]
\end{aligned}
""",
    ),
}
