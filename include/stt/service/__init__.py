"""The resident speech service: models stay loaded in Ray Serve, transcribers elsewhere use them over HTTP."""

from include.stt.service.control import service_status, stop_service
from include.stt.service.options import ServiceOptions
from include.stt.service.remote import RemoteTranscriber
from include.stt.service.run import serve

__all__ = ["RemoteTranscriber", "ServiceOptions", "serve", "service_status", "stop_service"]
