"""Changes of light and place, against numbers worked out by hand."""

import numpy as np
import pytest
import torch

from mtopt_learning.qlearn.distortion import (
    PUBLISHED,
    DistortionConfig,
    Light,
    colour_matrix,
    draw_light,
    draw_offsets,
    lit,
    seen_elsewhere,
)
from mtopt_learning.qlearn.pictures import to_unit
from mtopt_learning.train.picture_store import PictureStore, cut, take_resident
from mtopt_spec.errors import InputError

ONE = torch.ones(1)


def pixel(*rgb):
    return torch.tensor(rgb, dtype=torch.uint8).view(1, 3, 1, 1)


def light(saturation=1.0, hue=0.0, brightness=0.0, contrast=1.0):
    matrix = colour_matrix(saturation * ONE, hue * ONE)
    return Light(None, matrix, torch.full((1, 3), brightness), torch.full((1, 3), contrast))


def changed(image, **of):
    """In 0 .. 255 again."""
    return ((lit(image, light(**of)) + 1) * 127.5).flatten(2)[0].T.tolist()


def test_nothing_changes_nothing():
    image = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    none = draw_light(2, DistortionConfig(gain=0.0), torch.Generator())
    assert torch.equal(lit(image, none), to_unit(image))
    identity = Light(None, torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3), torch.ones(2, 3))
    torch.testing.assert_close(lit(image, identity), to_unit(image), atol=1e-5, rtol=0)


def test_some_cameras_are_seen_from_elsewhere_within_limits():
    spot = torch.zeros(300, 3, 32, 32, dtype=torch.uint8)
    spot[:, :, 16:18, 24:26] = 255  # 8.5 px to the right of the middle, 0.5 below it
    images, draws = {"wrist": spot, "shoulder": spot}, lambda: torch.Generator().manual_seed(0)
    seen = seen_elsewhere(images, ["wrist"], DistortionConfig(goal_turn_rad=0.0), draws())
    assert seen["shoulder"] is spot and seen["wrist"].dtype == torch.uint8
    place = places(seen["wrist"]) - torch.tensor([24.5, 16.5])
    assert 3.5 < place.abs().max() < 0.12 * 32 + 0.1 and place.mean(0).abs().max() < 0.5
    turned = seen_elsewhere(images, ["wrist"], DistortionConfig(goal_shift=0.0), draws())
    x, y = (places(turned["wrist"]) - 15.5).T
    angle = torch.atan2(y, x) - torch.atan2(torch.tensor(1.0), torch.tensor(9.0))
    assert 0.45 < angle.abs().max() < 0.55 and (torch.hypot(x, y) - 9.06).abs().max() < 0.3
    again = seen_elsewhere(images, ["wrist"], DistortionConfig(goal_shift=0.0), draws())
    assert torch.equal(again["wrist"], turned["wrist"])
    still = DistortionConfig(goal_shift=0.0, goal_turn_rad=0.0)
    assert seen_elsewhere(images, ["wrist"], still, draws()) is images


def places(images_u8):
    """(n, 2) px column and row of the middle of what is bright."""
    weight = images_u8[:, 0].float()
    weight, index = weight / weight.sum((1, 2), keepdim=True), torch.arange(32.0)
    return torch.stack([weight.sum(1) @ index, weight.sum(2) @ index], -1)


def test_light_by_hand():
    red = pixel(200, 0, 0)
    # Luma 0.299 * 200; half saturated lies half-way.
    np.testing.assert_allclose(changed(red, saturation=0.0), [[59.8, 59.8, 59.8]], atol=0.01)
    np.testing.assert_allclose(changed(red, saturation=0.5), [[129.9, 29.9, 29.9]], atol=0.01)
    np.testing.assert_allclose(changed(red, brightness=0.1), [[225.5, 25.5, 25.5]], atol=0.01)
    # Two pixels 100 and 200: mean 150, so half contrast gives 125 and 175, a half more 75 and 225.
    two = torch.tensor([100, 200], dtype=torch.uint8).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    np.testing.assert_allclose(changed(two, contrast=0.5), [[125] * 3, [175] * 3], atol=0.01)
    np.testing.assert_allclose(changed(two, contrast=1.5), [[75] * 3, [225] * 3], atol=0.01)
    # The mean is that of the brighter picture.
    both = changed(two, contrast=0.5, brightness=0.1)
    np.testing.assert_allclose(both, [[150.5] * 3, [200.5] * 3], atol=0.01)


def test_hue_turns_colours_and_keeps_luma_and_grey():
    np.testing.assert_allclose(changed(pixel(90, 90, 90), hue=0.2), [[90] * 3], atol=0.1)
    turned = torch.tensor(changed(pixel(150, 100, 100), hue=1 / 3)[0])
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert luma @ turned == pytest.approx(0.299 * 150 + 0.701 * 100, abs=0.1)
    assert turned.argmax() != 0  # it was red
    np.testing.assert_allclose(changed(pixel(150, 100, 100), hue=1.0), [[150, 100, 100]], atol=0.1)


def test_published_light_stays_in_range_and_within_its_bounds():
    image = torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8)
    drawn = draw_light(64, PUBLISHED, torch.Generator().manual_seed(0))
    out = lit(image, drawn)
    assert out.abs().max() <= 1 and out.is_contiguous(memory_format=torch.channels_last)
    assert 0.1 < drawn.brightness.abs().max() <= 0.125
    assert 0.4 < (drawn.contrast - 1).abs().max() <= 0.5
    assert len(torch.unique(drawn.brightness)) == 64  # one draw a picture
    again = draw_light(64, PUBLISHED, torch.Generator().manual_seed(0))
    assert torch.equal(lit(image, again), out)


def test_gain_is_one_factor_a_picture_and_channel():
    drawn = draw_light(500, DistortionConfig(gain=0.1), torch.Generator().manual_seed(0))
    assert drawn.gain.shape == (500, 3, 1, 1) and drawn.matrix is None
    # Spread of the sum of both draws: 0.1 sqrt(1 + 1/4).
    assert drawn.gain.std().item() == pytest.approx(0.1118, rel=0.1)
    out = lit(pixel(100, 100, 100), Light(torch.tensor([1.1, 1.0, 0.9]).view(1, 3, 1, 1)))
    np.testing.assert_allclose((out + 1).flatten() * 127.5, [110, 100, 90], atol=0.01)


def test_parts_are_cut_from_anywhere_and_edges_are_repeated():
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    inside = cut(images, np.array([1, 0]), np.array([[1, 2], [0, 0]]), (3, 3))
    np.testing.assert_array_equal(inside, [images[1, 1:4, 2:5], images[0, :3, :3]])
    shifted = cut(images, np.array([0, 1]), np.array([[-1, 0], [0, 2]]), (4, 5))
    np.testing.assert_array_equal(shifted[0], images[0][[0, 0, 1, 2]])
    np.testing.assert_array_equal(shifted[1], images[1][:, [2, 3, 4, 4, 4]])


def test_offsets_cover_all_places():
    random = np.random.default_rng(0)
    offsets = draw_offsets(4000, (6, 8), (5, 5), 1, random)
    assert sorted({*offsets[:, 0].tolist()}) == [-1, 0, 1, 2]
    assert sorted({*offsets[:, 1].tolist()}) == [-1, 0, 1, 2, 3, 4]
    assert not draw_offsets(50, (5, 5), (5, 5), 0, random).any()


def test_pictures_on_a_device_are_cut_as_those_on_the_host():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (9, 7, 6, 3), dtype=np.uint8)
    rows = random.integers(0, 9, 20)
    for part, shift in (((7, 6), 2), ((4, 5), 0), ((7, 6), 0)):
        offsets = draw_offsets(20, (7, 6), part, shift, random)
        resident = take_resident(torch.from_numpy(images), rows, offsets, part)
        np.testing.assert_array_equal(resident, cut(images, rows, offsets, part))


def test_the_store_gives_the_middle_where_no_place_is_asked_for():
    images = {"shoulder": np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3), np.uint8)}
    store = PictureStore(images, {"shoulder": (4, 4)}, torch.device("cpu"))
    taken = store.take(np.array([2, 0]))["shoulder"]
    assert taken.shape == (2, 3, 4, 4) and not store.resident
    np.testing.assert_array_equal(taken[0].permute(1, 2, 0), images["shoulder"][2, 2:6, 2:6])


def test_wild_distortions_are_refused():
    with pytest.raises(InputError, match="contrast"):
        DistortionConfig(contrast=1.5)
