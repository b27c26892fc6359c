"""What everybody does of whom a scenario says nothing."""

from __future__ import annotations

from guestsim.scenario.usual import requests_of_firmware, requests_of_frontend


def test_firmware_asks_for_what_the_toolstack_put_there_for_it() -> None:
    store = {"hvmloader/bios": "seabios", "platform/acpi": "1", "data/x": "no"}
    assert requests_of_firmware(store) == ("read hvmloader/bios=seabios", "read platform/acpi=1")
    assert requests_of_firmware({}) == ("read hvmloader/bios",)


def test_the_frontend_expects_what_the_scenario_stored() -> None:
    requests = requests_of_frontend({"device/vbd/51712/backend": "/elsewhere"})
    assert requests[0] == "read device/vbd/51712/backend=/elsewhere"
    assert requests[-2:] == ("write device/vbd/51712/state=3", "read device/vbd/51712/state=3")


def test_a_backend_that_moves_is_waited_for() -> None:
    requests = requests_of_frontend({"device/vbd/51712/backend": "/b"}, answered=True)
    assert requests[2:4] == ("watch /b/state", "until /b/state=2")
    assert requests[-2:] == ("until /b/state=4", "write device/vbd/51712/state=4")
