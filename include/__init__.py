"""VoiceMan on Airflow: forensic transcription, analysis and reporting of phone recordings.

Each package below has one door, its ``__all__``. Data flows one way:
``storage → stt → forensic → report → storage``; ``pipeline`` wires them for Airflow.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
