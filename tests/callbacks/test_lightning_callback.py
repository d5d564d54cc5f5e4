"""A real Lightning Trainer with the callback."""

import pytest
import torch
from trainings import examples, model, rows, weights

from layergeom.errors import InputError

pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")
import pytorch_lightning as pl

from layergeom.callbacks import LightningGeometryCallback, training_record

SETTINGS = {"every": 4, "max_share": None, "k": 5, "pool": "mean"}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = model()
        self.head = torch.nn.Linear(2, 2)

    def training_step(self, batch, _):
        return self.network(**batch).loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.network.parameters(), lr=1e-3)


class Kept(pl.loggers.logger.DummyLogger):
    def __init__(self):
        super().__init__()
        self.lines = []

    def log_metrics(self, metrics, step=None):
        self.lines.append((step, metrics))


def fitted(folder, callbacks, logger=False, **changes):
    pl.seed_everything(7)
    module = Module()
    loader = torch.utils.data.DataLoader(examples(), batch_size=4, shuffle=True)
    settings = {"max_steps": 12, "accelerator": "cpu", "default_root_dir": folder}
    quiet = {
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(**settings, **quiet, logger=logger, callbacks=callbacks, **changes)
    trainer.fit(module, loader)
    return module


@pytest.mark.parametrize("changes", [{}, {"accumulate_grad_batches": 2, "max_epochs": 3}])
def test_weights_are_those_of_a_training_without_the_callback(tmp_path, changes):
    alone = fitted(tmp_path / "a", [], **changes)
    callback = LightningGeometryCallback(rows(), **SETTINGS)
    watched = fitted(tmp_path / "b", [callback], **changes)
    assert [m.step for m in callback.watch.measurements] == [0, 4, 8, 12]
    assert torch.equal(weights(alone), weights(watched))
    assert training_record(tmp_path / "b" / "geometry").steps.tolist() == [0, 4, 8, 12]


def test_values_reach_the_loggers(tmp_path):
    logger, callback = Kept(), LightningGeometryCallback(rows(), network="network", **SETTINGS)
    fitted(tmp_path, [callback], logger=logger)
    lines = [(step, found) for step, found in logger.lines if "geometry/seconds" in found]
    assert [step for step, _ in lines] == [0, 4, 8, 12]
    assert lines[-1][1] == dict(callback.watch.measurements[-1].values)


def test_a_module_with_no_transformer_or_two_must_name_it(tmp_path):
    module = Module()
    module.other = model(1)
    callback = LightningGeometryCallback(rows(), **SETTINGS)
    with pytest.raises(InputError, match="holds network, other"):
        callback._network(module)
    del module.other, module.network
    with pytest.raises(InputError, match="holds none"):
        callback._network(module)
