"""Container examination: what a recording's file structure, tags and times show, without a verdict. No Airflow."""

from include.container.document import ContainerExamination, Observation, load_examination
from include.container.examine import examination_digest, examine_file
from include.container.texts import ObservationText, label, text_of, texts

__all__ = [
    "ContainerExamination",
    "Observation",
    "ObservationText",
    "examination_digest",
    "examine_file",
    "label",
    "load_examination",
    "text_of",
    "texts",
]
