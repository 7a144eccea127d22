"""What does the operator want: the settings file as values, or every problem with it at once."""

from gateway.settings.addresses import Address, Url
from gateway.settings.identity import Identity, Issuer
from gateway.settings.methods import CacheRule, MethodRule, Parameter
from gateway.settings.model import (
    Cache,
    Datastack,
    Limits,
    Operator,
    Policy,
    Settings,
    Telemetry,
)
from gateway.settings.problems import Problem, SettingsError
from gateway.settings.reading import examine, load
from gateway.settings.services import Service
from gateway.settings.socket_files import SocketFile

__all__ = [
    "Address",
    "Cache",
    "CacheRule",
    "Datastack",
    "Identity",
    "Issuer",
    "Limits",
    "MethodRule",
    "Operator",
    "Parameter",
    "Policy",
    "Problem",
    "Service",
    "Settings",
    "SettingsError",
    "SocketFile",
    "Telemetry",
    "Url",
    "examine",
    "load",
]
