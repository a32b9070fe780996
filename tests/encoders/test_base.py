"""The encoder contract: settings have defaults, and a subclass replaces them by whatever kind of attribute fits."""

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared


class Plain(Encoder):
    """An encoder that replaces no setting."""

    modality = "text"
    dimension = 2

    def prepare(self, items, role):
        return [Prepared(item) for item in items]

    def forward(self, batch):
        return Encoded(np.ones((len(batch), 2), np.float32))

    def identity(self):
        return {"plain": True}


def test_settings_have_defaults():
    encoder = Plain()
    assert encoder.decode_options == {}
    assert encoder.window_seconds is None
    assert encoder.cut_at_pauses is False
    assert encoder.max_length is None
    assert encoder.batch_budget == 1
    assert encoder.logit_scale is None
    assert encoder.logit_bias is None


def test_a_setting_is_replaced_by_a_class_attribute_an_instance_attribute_or_a_property():
    class Tuned(Plain):
        batch_budget = 8

        def __init__(self, window_seconds):
            self.window_seconds = window_seconds

        @property
        def logit_scale(self):
            return 2 * self.window_seconds

    encoder = Tuned(5.0)
    assert (encoder.batch_budget, encoder.window_seconds, encoder.logit_scale) == (8, 5.0, 10.0)
    assert Tuned(7.0).window_seconds == 7.0
