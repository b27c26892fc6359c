"""The project's own tests, which make scenarios on the way."""

from make_firmware import firmware


def test_it_is_small(tmp_path, guestsim):
    image = tmp_path / "firmware.elf"
    image.write_bytes(firmware())
    assert image.stat().st_size < 200
    result = guestsim.check(
        'title = "alone"\n[boot]\nchain = ["./firmware.elf"]\n[expect]\nconnected = "always"\n'
    )
    assert result.verdict == "pass", result
