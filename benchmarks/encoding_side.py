"""One side of benchmarks/encoding.py, run by the Python of its own environment.

    python encoding_side.py SIDE SLIDE STATE OUT [PATCHES]

SIDE is ours, ours-bf16, bare, bare-bf16, lazyslide or tiatoolbox. SLIDE is a tiled
JPEG pyramid at 0.35 um, STATE a safetensors file of timm's vit_tiny_patch16_224.
Prints one JSON object: patches, wall and processor seconds (children included),
and writes the vectors to OUT.npy. Importing, opening the model and a first pass
are not counted; finding tissue and writing the store are, for ours alone.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

PATCH_UM, PX, SIZE_UM = 100.0, 224, 0.35
BATCH = 32
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def network(state):
    import timm
    from safetensors.torch import load_file

    net = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    net.load_state_dict(load_file(state))
    return net.eval().requires_grad_(False)


def normalised(tile):
    """An RGB tile of any side to what the network reads."""
    image = torch.from_numpy(np.ascontiguousarray(tile)).permute(2, 0, 1)[None]
    if image.shape[-1] != PX:
        image = torch.nn.functional.interpolate(
            image, (PX, PX), mode="bilinear", antialias=True, align_corners=False
        )
    image = image[0].float() / 255
    return (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def ours(slide, state, out, precision):
    from napari_haiku.encoding.pipeline import encode_slide
    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.images.reading import open_image
    from napari_haiku.jobs import run_job
    from napari_haiku.model.he_encoder import HeEncoder

    folder = model_folder(out, state)
    model = HeEncoder.load(folder, device="cpu", precision=precision)
    model.encode_he(np.zeros((8, PX, PX, 3), np.uint8), PATCH_UM / PX)

    def work():
        request = EncodeRequest(
            he=open_image(slide, modality="he"),
            output=out.with_suffix(".zarr"),
            slide_id="slide",
            patch_um=PATCH_UM,
            stride_um=PATCH_UM,
            # Every patch, as the others take them.
            min_tissue=0,
            # Patches at a time as the device suggests; the others have no such rule.
        )
        path = run_job(encode_slide(request, model)).path
        return Encoding.open(path).embeddings("he")

    return work


def model_folder(out, state):
    from safetensors.torch import load_file

    from napari_haiku.model.he_encoder import check_config
    from napari_haiku.storage import write_json

    folder = out.with_suffix(".model")
    folder.mkdir(exist_ok=True)
    config = {
        "name": "vit_tiny",
        "kind": "timm",
        "model": "vit_tiny_patch16_224",
        "arguments": {},
        "pool": "model",
        "mean": list(MEAN),
        "std": list(STD),
        "patch_px": PX,
        "pixel_size_um": PATCH_UM / PX,
        "dim": next(iter(load_file(state)["norm.weight"].shape)),
    }
    write_json(folder / "config.json", check_config(config))
    write_json(folder / "card.json", {"licence": "none", "training_images": []})
    (folder / "model.safetensors").write_bytes(Path(state).read_bytes())
    return folder


def bare(state, precision, patches):
    """The tower alone, in the faster of its two forms on this machine."""
    import threading

    net = network(state)
    images = torch.randn(BATCH, 3, PX, PX)
    threads = torch.get_num_threads()

    def run(count):
        torch.set_num_threads(1)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
            for _ in range(count):
                net(images)

    run(1)

    def work():
        each = -(-patches // (BATCH * threads))
        pool = [threading.Thread(target=run, args=(each,)) for _ in range(threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
        return np.zeros((each * threads * BATCH, 1), np.float32)

    return work


def lazyslide(slide, state):
    import lazyslide as zs
    from wsidata import open_wsi

    net = network(state)
    net(torch.zeros(8, 3, PX, PX))

    def work():
        wsi = open_wsi(str(slide), store=None)
        zs.pp.tile_tissues(wsi, PX, mpp=PATCH_UM / PX, slide_mpp=SIZE_UM, background_filter=False)
        found = zs.tl.feature_extraction(
            wsi,
            net,
            model_name="tower",
            transform=normalised_once,
            device="cpu",
            amp=False,
            batch_size=BATCH,
            num_workers=0,
            pbar=False,
            return_features=True,
        )
        return np.asarray(found)

    return work


def normalised_once(tile):
    return normalised(np.asarray(tile))


def tiatoolbox(slide, state, out):
    from tiatoolbox.models.engine.deep_feature_extractor import DeepFeatureExtractor
    from tiatoolbox.models.models_abc import ModelABC

    class Tower(ModelABC):
        def __init__(self):
            super().__init__()
            self.net = network(state)

        def forward(self, images):
            return self.net(images)

        @staticmethod
        def preproc(image):
            return normalised(image).permute(1, 2, 0).numpy()

        @staticmethod
        def infer_batch(model, batch_data, device):
            with torch.inference_mode():
                return [model(batch_data.permute(0, 3, 1, 2).to(device).float()).numpy()]

    tower = Tower()
    tower.net(torch.zeros(8, 3, PX, PX))
    engine = DeepFeatureExtractor(tower, batch_size=BATCH, num_workers=0, verbose=False)

    def work():
        found = engine.run(
            images=[slide],
            patch_mode=False,
            input_resolutions=[{"units": "mpp", "resolution": PATCH_UM / PX}],
            patch_input_shape=(PX, PX),
            stride_shape=(PX, PX),
            auto_get_mask=False,
            save_dir=out.with_suffix(".tia"),
            overwrite=True,
            output_type="zarr",
            device="cpu",
        )
        import zarr

        (path,) = found.values()
        return np.asarray(zarr.open(str(path), mode="r")["features"])

    return work


def seconds():
    """Processor seconds of this process and its children."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def main():
    side, slide, state, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    patches = int(sys.argv[5]) if len(sys.argv) > 5 else 4900
    precision = "bf16" if side.endswith("bf16") else "fp32"
    work = {
        "ours": lambda: ours(slide, state, out, precision),
        "bare": lambda: bare(state, precision, patches),
        "lazyslide": lambda: lazyslide(slide, state),
        "tiatoolbox": lambda: tiatoolbox(slide, state, out),
    }[side.removesuffix("-bf16")]()
    wall, processor = time.perf_counter(), seconds()
    vectors = work()
    wall, processor = time.perf_counter() - wall, seconds() - processor
    np.save(out.with_suffix(".npy"), vectors)
    print(json.dumps({"patches": len(vectors), "wall": wall, "processor": processor}))


if __name__ == "__main__":
    main()
