"""What a user can do wrong: one sentence, exit code 1, no stack trace, and nothing that was there is lost."""

import json
import re

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.pipeline

# The command `zenml pipeline run training --config FILE` for one file after another, in one process: starting takes
# longer than failing.
RUN_EACH = """
import sys, traceback
from zenml_cli import cli
for file in sys.argv[1:]:
    print(f"=== {file} ===", file=sys.stderr, flush=True)
    code = 0
    try:
        cli.main(["pipeline", "run", "training", "--config", file], prog_name="zenml")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    print(f"=== code {code} ===", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Writes a source: photos by folder, each another one; bytes are written as they are."""

    def write(name, **contents):
        root = tmp_path_factory.mktemp(name)
        random = np.random.default_rng(0)
        for folder, photos in contents.items():
            target = root / folder.replace("__", "/")
            target.mkdir(parents=True)
            for number in range(photos) if isinstance(photos, int) else ():
                blocks = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                picture = Image.fromarray(blocks).resize((64, 64), Image.Resampling.BICUBIC)
                picture.save(target / f"{number}.jpg", quality=95)
        return root

    return write


def damage(folder, count):
    """The first files of each class folder become files that are no photos."""
    for label in sorted(folder.iterdir()):
        for photo in sorted(label.iterdir())[:count]:
            photo.write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def cases(folders, configure, checkout, photos):
    work = checkout.work
    good = folders("good", onion=12, potato=12)
    texts = {
        "misspelt_section": f"parameters:\n  dat:\n    source: {good}\n",
        "misspelt_parameters": f"paramters:\n  data:\n    source: {good}\n",
        "broken_yaml": "parameters:\n  data: {source: here\n",
        "list": "- parameters\n",
        "number_for_parameters": "parameters: 5\n",
        "number_for_section": "parameters:\n  data: 5\n",
        "empty_file": "",
    }
    for name, text in texts.items():
        (work / f"{name}.yaml").write_text(text)
    (work / "noise.safetensors").write_bytes(b"no weights at all")
    (work / "noise.pth").write_bytes(b"no weights at all")
    made = {
        "nowhere": configure("nowhere.yaml", "nowhere"),
        "empty_folder": configure("empty_folder.yaml", folders("empty")),
        "one_class": configure("one_class.yaml", folders("one", onion=12)),
        "too_few": configure("too_few.yaml", folders("few", onion=12, potato=4)),
        "too_few_to_split": configure(
            "too_few_to_split.yaml", folders("splitless", onion=12, potato=5), validation={"min_photos_per_class": 5}
        ),
        "all_unreadable": configure("all_unreadable.yaml", damage(folders("all", onion=12, potato=12), 12)),
        "many_unreadable": configure("many_unreadable.yaml", damage(folders("many", onion=20, potato=20), 2)),
        "unknown_test_class": configure(
            "unknown_test_class.yaml", folders("unknown", train__onion=12, train__potato=12, test__leek=3)
        ),
        "case_and_spaces": configure(
            "case_and_spaces.yaml", folders("case", **{"Onion": 12, "onion ": 12, "leek": 12})
        ),
        "misspelt_key": configure("misspelt_key.yaml", good, gate={"min_macro_f2": 0.5}),
        "impossible_value": configure("impossible_value.yaml", good, gate={"min_macro_f1": 1.2}),
        "unknown_model": configure("unknown_model.yaml", good, transfer={"model": "resnet1"}),
        "no_weights_file": configure("no_weights_file.yaml", photos, transfer={"weights_file": "gone.pth"}),
        "noise_safetensors": configure(
            "noise_safetensors.yaml", photos, transfer={"weights_file": "noise.safetensors"}
        ),
        "noise_pth": configure("noise_pth.yaml", photos, transfer={"weights_file": "noise.pth"}),
        "unknown_suite": configure("unknown_suite.yaml", good, validation={"suite": "strict"}),
    }
    return {**{name: f"{name}.yaml" for name in texts}, **made}


@pytest.fixture(scope="module")
def ended(cases, champion, checkout):
    """How the run of each case ended: exit code and what was said."""
    code, said = checkout.run("python", "-c", RUN_EACH, *cases.values())
    assert code == 0, said
    parts = re.findall(r"^=== (\S+) ===$(.*?)^=== code (\S+) ===$", said, flags=re.DOTALL | re.MULTILINE)
    return {file.removesuffix(".yaml"): (int(code), text.strip()) for file, text, code in parts}


def test_all(ended):
    from pathlib import Path

    Path("/tmp/zt/ended.json").write_text(json.dumps(ended, indent=1))
