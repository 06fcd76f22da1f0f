"""What a user can do wrong: one sentence, exit code 1, no stack trace, and nothing that was there is lost."""

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.pipeline

# What each is answered; the paths in between differ.
SENTENCES = {
    "nowhere": "{work}/nowhere does not exist; expected a folder of class folders with photos: put it there, or name ",
    "empty_folder": "{source}: the folder is empty; expected one folder of photos for each class.",
    "one_class": "{source}: only one class, 'onion', and at least two are needed; ",
    "too_few": "validate: The photos fail 1 check of expectations/image_table.yaml: photos_per_class (label: potato",
    "too_few_to_split": "class 'potato' has 12 readable photos in 1 group",
    "all_unreadable": "{source}: none of its 24 files is a readable photo; the first is onion/0.jpg: not a photo ",
    "many_unreadable": "validate: The photos fail 1 check of expectations/image_table.yaml: unreadable_share ",
    "unknown_test_class": "{source}: the class 'leek' is in test and unknown to train; add training photos ",
    "unknown_label": "data.label_map: 'leek' is no class of ",
    "table_settings": "data.csv says how to read a .csv file, and data.source names none: {good}; name the .csv ",
    "missing_files": "{source}: 1 of its 13 files do not exist, the first is ",
    "unknown_protocol": "s4://bucket/photos cannot be reached: Protocol not known: s4; check the part before '://'.",
    "case_and_spaces": "'Onion' and 'onion ' in {source} differ only in case, spaces or Unicode form; ",
    "misspelt_key": "misspelt_key.yaml: gate.min_macro_f2 is no setting; check its spelling against zenml.yaml",
    "impossible_value": "impossible_value.yaml: gate.min_macro_f1 is 1.2: input should be less than or equal to 1",
    "unknown_model": "unknown_model.yaml: transfer.model is 'resnet1': expected one of compact_cnn, ",
    "unknown_watched_class": "calibration.watched_class.label is 'leek': expected a class of the data, one of ",
    "unknown_suite": "{root}/expectations/strict.yaml does not exist; set validation.suite to a suite of ",
    "wrong_weights": "transfer.weights_file: {work}/wrong.pth cannot be read as weights (UnpicklingError); expected ",
    "misspelt_section": "misspelt_section.yaml: dat is no setting; check its spelling against zenml.yaml",
    "misspelt_parameters": "misspelt_parameters.yaml: paramters is no key at the top of a run configuration; ",
    "section_at_the_top": "section_at_the_top.yaml: data is no key at the top of a run configuration; ",
    "broken_yaml": "broken_yaml.yaml is no YAML (while parsing a flow mapping in ",
    "list": "list.yaml is no run configuration; expected a mapping with `parameters:`, as in zenml.yaml.",
    "empty_file": "empty_file.yaml is no run configuration; expected a mapping with `parameters:`, as in zenml.yaml.",
    "number_for_section": "number_for_section.yaml: data is 5: expected a mapping of settings, as in zenml.yaml",
    "number_for_parameters": "number_for_parameters.yaml: parameters is 5: expected a mapping of settings, as in zenml",
    "zenml_setting": "zenml_setting.yaml: enable_cache is 'perhaps': input should be a valid boolean",
}

TEXTS = {
    "misspelt_section": "parameters:\n  dat:\n    source: photos\n",
    "misspelt_parameters": "paramters:\n  data:\n    source: photos\n",
    "section_at_the_top": "data:\n  source: photos\n",
    "broken_yaml": "parameters:\n  data: {source: here\n",
    "list": "- parameters\n",
    "empty_file": "",
    "number_for_section": "parameters:\n  data: 5\n",
    "number_for_parameters": "parameters: 5\n",
    "zenml_setting": "enable_cache: perhaps\n",
}


def write_photos(folder, count):
    """Photos of 64 pixels, each another one."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(count)
    for number in range(count):
        blocks = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        blocks.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=95)


def write_source(root, folders):
    for folder, count in folders.items():
        write_photos(root / folder, count)
    return root


def damage(source, count):
    """The first files of each class folder become files that are no photos."""
    for label in source.iterdir():
        for photo in sorted(label.iterdir())[:count]:
            photo.write_bytes(b"no photo")
    return source


def name_files(source):
    """A CSV file that names photos of two classes, one of which does not exist."""
    files = [f"onion/{number}.jpg,onion" for number in range(6)] + [
        f"potato/{number}.jpg,potato" for number in range(6)
    ]
    table = source / "labels.csv"
    table.write_text("\n".join(["path,label", *files, "potato/gone.jpg,potato", ""]))
    return table


def repeat_one_photo(folder):
    for photo in folder.iterdir():
        photo.write_bytes((folder / "0.jpg").read_bytes())


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Folders of photos with something wrong, by case, and a good one."""
    root = tmp_path_factory.mktemp("sources")
    folders = {
        "good": {"onion": 12, "potato": 13},
        "one_class": {"onion": 12},
        "too_few": {"onion": 12, "potato": 4},
        "too_few_to_split": {"onion": 13, "potato": 12},
        "all_unreadable": {"onion": 12, "potato": 12},
        "many_unreadable": {"onion": 20, "potato": 21},
        "unknown_test_class": {"train/onion": 12, "train/potato": 13, "test/leek": 3},
        "case_and_spaces": {"Onion": 2, "onion ": 2, "leek": 2},
    }
    made = {case: write_source(root / case, parts) for case, parts in folders.items()}
    (root / "empty_folder").mkdir()
    damage(made["all_unreadable"], 12)
    damage(made["many_unreadable"], 2)
    repeat_one_photo(made["too_few_to_split"] / "potato")
    made |= {"missing_files": name_files(made["good"]), "empty_folder": root / "empty_folder"}
    return {**made, "nowhere": "nowhere", "unknown_protocol": "s4://bucket/photos"}


@pytest.fixture(scope="module")
def configured(sources, configure, checkout):
    """Writes the configuration of each case; returns their names."""
    for case, text in TEXTS.items():
        (checkout.work / f"{case}.yaml").write_text(text)
    (checkout.work / "wrong.pth").write_bytes(b"no weights at all")
    changes = {
        "misspelt_key": {"gate": {"min_macro_f2": 0.5}},
        "impossible_value": {"gate": {"min_macro_f1": 1.2}},
        "unknown_model": {"transfer": {"model": "resnet1"}},
        "unknown_watched_class": {"calibration": {"watched_class": {"label": "leek", "min_recall": 0.9}}},
        "unknown_suite": {"validation": {"suite": "strict"}},
        "table_settings": {"data": {"csv": {"file_column": "id"}}},
        "unknown_label": {"data": {"label_map": {"leek": None}}},
        "wrong_weights": {"transfer": {"weights_file": "wrong.pth"}},
    }
    for case in SENTENCES.keys() - TEXTS.keys():
        configure(f"{case}.yaml", sources.get(case, sources["good"]), **changes.get(case, {}))
    return [f"{case}.yaml" for case in SENTENCES]


@pytest.fixture(scope="module")
def ledger_before(champion, gate):
    return gate.entries()


@pytest.fixture(scope="module")
def runs(configured, ledger_before, champion, run_each, gate):
    """How the run of each case ended."""
    ended = run_each("training", *configured)
    return {case: type(champion)(code, said, gate.entries()) for case, (code, said) in ended.items()}


@pytest.mark.parametrize("case", SENTENCES)
def test_a_mistake_ends_as_one_sentence(case, runs, sources, checkout):
    sentence = SENTENCES[case].format(
        source=sources.get(case), good=sources["good"], work=checkout.work, root=checkout.root
    )
    assert runs[case].code == 1
    assert runs[case].error.startswith(f"Error: {sentence}")


def test_a_class_that_cannot_be_watched_is_told_before_anything_is_trained(runs):
    assert "train_transfer" not in runs["unknown_watched_class"].said


def test_the_command_itself_says_the_same(runs, train):
    alone = train("nowhere.yaml")
    assert alone.code == 1
    assert alone.error == runs["nowhere"].error


def test_nothing_is_lost_and_nothing_is_promoted(runs, ledger_before, gate):
    assert gate.entries() == ledger_before
    assert gate.agrees_on(gate.champion())


def test_no_mlflow_run_is_left_running(runs, gate):
    experiment = gate.mlflow().get_experiment_by_name(gate.name)
    statuses = {run.info.status for run in gate.mlflow().search_runs([experiment.experiment_id])}
    assert statuses == {"FINISHED", "FAILED"}


def test_the_validation_page_is_kept_when_the_photos_are_refused(runs, gate):
    pages = gate.home.reports(gate.name).glob("*/validation.html")
    assert any("unreadable_share" in page.read_text() and "4 of 41" in page.read_text() for page in pages)
