"""Every recipe runs, small, on photos that lie as it expects them."""

import csv
import re
from pathlib import Path
from shutil import copyfile

import pytest
import yaml

from pipelines.run_configuration import read_parameters
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import discover
from quality_gate.errors import UserError
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings

RECIPES = Path(__file__).resolve().parents[2] / "pipelines" / "recipes"
NAMES = ["cifar10", "defects", "fruits", "produce", "produce_resnet18", "refunds", "ripeness"]


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """32 photos of each of four classes."""
    folder = tmp_path_factory.mktemp("painted")
    write_demo_photos(folder, train_per_class=32, test_per_class=0, size=96, workers=1)
    return folder / "train"


def of_class(painted, number):
    """Photos of one of the four classes."""
    return sorted(sorted(painted.iterdir())[number].iterdir())


def into_folders(painted, folder, classes):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for photo in of_class(painted, number):
            copyfile(photo, folder / name / photo.name)


def into_table(painted, folder):
    """Two articles of which all is there, one that was never photographed, and a rare one."""
    (folder / "images").mkdir(parents=True)
    articles = [("dress", photo) for photo in of_class(painted, 0)] + [
        ("shoes", photo) for photo in of_class(painted, 1)
    ]
    articles += [("hat", photo) for photo in of_class(painted, 2)[:3]]
    with (folder / "styles.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "masterCategory", "articleType"])
        for number, (kind, photo) in enumerate(articles):
            table.writerow([number, "Apparel", kind])
            copyfile(photo, folder / "images" / f"{number}.jpg")
        table.writerow([1_000, "Apparel", "dress"])


LAYOUTS = {
    "cifar10": lambda painted, folder: into_folders(painted, folder, ["airplane", "cat", "ship"]),
    "defects": lambda painted, folder: into_folders(painted, folder, ["ok", "defect"]),
    "fruits": lambda painted, folder: into_folders(painted, folder, ["Kiwi", "Lemon", "Lime"]),
    "produce": lambda painted, folder: into_folders(painted, folder, ["noise", "onion", "potato", "tomato"]),
    "refunds": into_table,
    "ripeness": lambda painted, folder: into_folders(painted, folder, ["green", "orange", "red"]),
}


def place_of(name):
    """Folder of the photos of a recipe, which several ways with the same photos share."""
    return name.partition("_")[0]


def smaller(name, parameters):
    """Repeats, passes and members are as few as show that there are several."""
    if name == "produce":
        parameters["ensemble"] = {"members": [{"model": "compact_cnn/2"}]}
        parameters["serving"]["quantisation_aware_epochs"] = 0
    if name == "produce_resnet18":
        parameters["transfer"]["fallback_below"] = None
    if name == "ripeness":
        parameters["transfer"]["finetune_epochs"] = 0
        parameters["evaluation"]["cross_validation"] = {"folds": 2, "repeats": 2}
        parameters["serving"]["quantisation_aware_epochs"] = 1
        parameters["explanation"]["steps"] = 64
    return parameters


def test_every_recipe_is_run_here():
    assert sorted(file.stem for file in RECIPES.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_is_for_and_where_its_photos_lie(name):
    file = RECIPES / f"{name}.yaml"
    parameters = read_parameters(file)
    assert file.read_text().startswith("# ")
    assert parameters["name"] == name
    assert parameters["data"]["source"].startswith(f"data/{place_of(name)}")
    parse_settings(TrainingSettings, parameters, origin=file.name)


def write_files(*paths):
    """Files that are listed as photos and never opened."""
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo")


def write_table(name, *lines):
    Path("data", name).mkdir(parents=True, exist_ok=True)
    Path("data", name, "styles.csv").write_text("\n".join(["id,masterCategory,articleType", *lines, ""]))


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Lists the photos of a recipe in a folder of its own, with some of its settings changed: what is said."""
    monkeypatch.chdir(tmp_path)

    def run(name, **data):
        parameters = read_parameters(RECIPES / f"{name}.yaml")
        settings = parse_settings(TrainingSettings, {**parameters, "data": {**parameters["data"], **data}}, origin="x")
        with pytest.raises(UserError) as caught:
            discover(settings.data.sources, settings.data)
        return caught.value.message

    return run


@pytest.mark.parametrize("name", NAMES)
def test_without_its_photos_a_recipe_says_where_to_put_them(name, refusal):
    said = refusal(name)
    assert said.startswith(f"data/{place_of(name)}")
    assert "does not exist; expected a " in said
    assert said.endswith(": put it there, or name yours in data.source.")


def test_a_table_without_its_folder_of_photos_says_where_to_put_them(refusal):
    write_table("refunds", "1,Apparel,dress")
    assert refusal("refunds") == (
        "data.csv.images: data/refunds/images is no folder; expected the one that the paths in data/refunds/styles.csv "
        "start from: put the photos there, or name theirs."
    )


def test_a_recipe_for_a_table_on_class_folders_is_one_sentence(refusal):
    write_files("data/refunds/dress/1.jpg", "data/refunds/shoes/2.jpg")
    assert refusal("refunds", source="data/refunds") == (
        "data.csv says how to read a .csv file, and data.source names none: data/refunds; name the .csv file there, or "
        "leave data.csv out for class folders."
    )


def test_a_recipe_for_class_folders_on_a_table_is_one_sentence(refusal):
    write_table("fruits", "1,Fruit,kiwi")
    write_files("data/fruits/images/1.jpg")
    assert refusal("fruits") == (
        "data/fruits: only one class folder, 'images', and beside it styles.csv; if that says of which class a photo "
        "is, name it in data.source and its columns in data.csv, else add the other class folders."
    )
    assert refusal("fruits", source="data/fruits/styles.csv") == (
        "data/fruits/styles.csv has no column 'path'; name one of its columns in data.csv.file_column: id, "
        "masterCategory, articleType."
    )


def test_a_class_for_every_photo_is_one_sentence(refusal):
    write_files(*(f"data/fruits/train/photo {number}/1.jpg" for number in range(12)))
    assert refusal("fruits") == (
        "data/fruits: 12 photos in 12 classes; the labels seem to name single photos, so name the folder of the class "
        "folders, or the column of the classes in data.csv.label_column."
    )


def test_a_label_map_that_merges_everything_is_one_sentence(refusal):
    write_files("data/ripeness/green/1.jpg", "data/ripeness/orange/1.jpg", "data/ripeness/red/1.jpg")
    assert refusal("ripeness", label_map={"green": "tomato", "orange": "tomato", "red": "tomato"}) == (
        "data/ripeness: of its 3 classes data.label_map and data.min_images_per_class leave only 'tomato', and at "
        "least two are needed."
    )


def test_a_label_map_for_other_classes_is_one_sentence(refusal):
    write_files("data/ripeness/ripe/1.jpg", "data/ripeness/unripe/1.jpg")
    assert refusal("ripeness") == (
        "data.label_map: 'green' is no class of data/ripeness; its classes are ripe, unripe."
    )


def test_a_class_that_is_only_in_the_test_is_one_sentence(refusal):
    write_files(*(f"data/cifar10/{place}/1.jpg" for place in ("train/cat", "train/ship", "test/cat", "test/frog")))
    assert refusal("cifar10") == (
        "data/cifar10: the class 'frog' is in test and unknown to train; add training photos of it, or drop it with "
        "data.label_map."
    )


@pytest.mark.slow
@pytest.mark.pipeline
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_makes_a_champion(name, painted, checkout, small, train, gate):
    folder = checkout.work / "data" / place_of(name)
    if not folder.is_dir():
        LAYOUTS[place_of(name)](painted, folder)
    (checkout.work / f"{name}.yaml").write_text(
        yaml.safe_dump({"parameters": smaller(name, small(read_parameters(RECIPES / f"{name}.yaml")))})
    )
    run = train(f"{name}.yaml")
    assert run.code == 0, run.said
    assert type(gate)(gate.home, name).agrees_on("1")
    if name == "refunds":
        # Three photos of a rare class, and an article without one.
        assert "ingest: 4 files are left out by the settings of data" in run.said
    if name == "ripeness":
        assert "training for 8 bits: pass 1 of 1" in run.said
        assert len(list(gate.home.tensorboard(name).glob("*/events.*"))) == 1
    if name == "produce":
        assert re.search(r"weights efficientnet_lite0 [01]\.\d+, compact_cnn/2 [01]\.\d+ \(chosen on", run.said)
        assert "Member 2: compact_cnn/2" in report_of(gate, name)
    if name == "produce_resnet18":
        # Where there is a way to the hub nothing need take its place.
        passed_over = "is taken in place of resnet18. The pretrained weights of resnet18 could not" in run.said
        assert ("(in place of resnet18)" in report_of(gate, name)) == passed_over
        assert passed_over or "<td>resnet18: macro F1" in report_of(gate, name)


def report_of(gate, name):
    (page,) = gate.home.reports(name).glob("*/evaluation.html")
    return page.read_text()


@pytest.mark.parametrize("name", ["defects", "fruits"])
def test_what_a_recipe_says_of_resnet50_are_settings(name):
    """Its weights are published elsewhere, so that it is not run here."""
    (given,) = re.findall(r"^ *# transfer: (\{.*\})$", (RECIPES / f"{name}.yaml").read_text(), flags=re.MULTILINE)
    parameters = read_parameters(RECIPES / f"{name}.yaml")
    parameters["transfer"] = parameters.get("transfer", {}) | yaml.safe_load(given)
    settings = parse_settings(TrainingSettings, parameters, origin=name).transfer
    assert (settings.model, settings.finetune_min_photos) == ("resnet50", 0)
