"""The card of the embedded model: its example runs as printed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARD = ROOT / "flopslab" / "tiny" / "model" / "README.md"


@pytest.mark.torch
def test_the_example_of_the_card_runs_and_is_the_one_that_the_training_writes(monkeypatch):
    [example] = re.findall(r"```python\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(ROOT)
    names = {}
    exec(compile(example, str(CARD), "exec"), names)
    assert names["image"].size == (128, 128)
    assert names["pipeline"].unet.encoder_hid_proj is not None, "the IP-Adapter is loaded"
    template = re.sub(r"num_inference_steps=\d+", "num_inference_steps={steps}", example)
    assert template in (ROOT / "training" / "card.py").read_text(encoding="utf-8")
