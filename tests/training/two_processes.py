"""What each of several processes runs in test_processes.py; alone, it divides its batches."""

import sys

import torch
from safetensors.torch import save_file
from torch import nn

from srseg.backbones import create_backbone
from srseg.training import (
    Augmentation,
    LabelledVolume,
    PatchSampler,
    Recipe,
    ValidationSlices,
    find_processes,
    get_loss,
    train_network,
)


class Net(nn.Module):
    """Batch norm in a U-Net, and dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            create_backbone("unet", n_classes=4, width=2, depth=1),
            nn.Dropout(0.3),
            nn.Conv2d(4, 2, 1),
        )

    def forward(self, x):
        return self.layers(x)


def volume(seed):
    """Give a box under noise, of which some is labelled."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.zeros(16, 17, 18, dtype=torch.uint8)
    classes[4:12, 4:12, 4:12] = 1
    image = classes * 0.5 + 0.2 + 0.2 * torch.randn(classes.shape, generator=generator)
    classes[:, 12:] = 255
    return LabelledVolume(image.clamp(0, 1).numpy(), classes.numpy(), f"volume {seed}")


def train(accumulate, max_iter=12):
    """Train on batches of four patches; give the network and the history."""
    from srseg.planes import standard_planes

    torch.manual_seed(0)
    network, planes = Net(), standard_planes(3)
    history = train_network(
        network,
        PatchSampler([volume(0), volume(1)], planes, 16, Augmentation(), seed=3, boundary=1.0),
        Recipe(max_iter, 4, 0.003, "plateau", 4, patience=3, averaging=0.5, accumulate=accumulate),
        n_classes=2,
        loss=get_loss("cross-entropy+dice"),
        validation=ValidationSlices([volume(2)], planes, 2, n_slices=3),
        seed=5,
    )
    return network, history


def main():
    """Train and write the weights of this process, and how it went."""
    out, accumulate = sys.argv[1], int(sys.argv[2])
    network, history = train(accumulate)
    processes = find_processes(torch.device("cpu"))
    said = [v for r in history.records for k, v in sorted(r.items()) if k != "seconds"]
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    weights["history"] = torch.tensor([history.best_iter, *said], dtype=torch.float64)
    save_file(weights, f"{out}.{processes.rank}-of-{processes.n}")
    processes.wait()


if __name__ == "__main__":
    main()
