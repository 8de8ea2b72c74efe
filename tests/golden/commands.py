"""Every command line of the golden run, in order, as it is typed in the work folder (split at blanks).

Option spellings live here and nowhere else. A command is expected to end with status 0; ``KILLED`` marks the one that
is sent SIGTERM after its first epoch.
"""

from __future__ import annotations

KILLED = "train --scheme mmsi --out runs/killed"  # how that command begins

# What every training of a kind has; options that come later win.
TRAIN = (
    "--model test_resnet --data shapes16 --size 32 --epochs 2 --finetune-epochs 1 --batch-size 16 --lr 0.02"
    " --finetune-lr 0.01 --device cpu"
)
LONGER = "--epochs 3 --finetune-epochs 2 --lr 0.005 --finetune-lr 0.002 --checkpoint-minutes 0"
TRANSFER = "--size 32 --epochs 3 --select-epochs 1 --batch-size 8 --device cpu"
SEGMENT = "--data VOCdevkit --size 32 --epochs 3 --select-epochs 1 --batch-size 4 --lr 0.03,0.001 --device cpu"
IMAGENET = "timm:test_resnet=weights/alpha.safetensors timm:test_resnet=weights/beta.safetensors"
MEASURE = "--device cpu --batch-size 32"

COMMANDS = (
    # Data: drawn, stylized, corrupted, combined.
    "shapes16 --out shapes16 --size 32 --train-per-class 5 --test-per-class 2 --texture-correlation 0.9 --seed 4",
    "stylize shapes16/train --out stylized --per-image 2 --seed 3",
    "stylize photos --out stylized-photos --per-image 1 --alpha 0.6 --same-styles --size 32",
    "stylizer encode textures --out textures.safetensors --device cpu",
    "stylizer show photos --styles textures.safetensors --out sheet.png --rows 3 --columns 4 --size 40 --seed 1",
    "stylizer train --content photos --styles textures --perceptual vgg16.h5 --out stylizer --workers 0 --steps 6"
    " --size 32 --batch-size 2 --warmup 3 --seed 2",
    "stylize photos --out stylized-own --stylizer stylizer/adain.safetensors --styles stylizer/styles.safetensors"
    " --per-image 1 --size 32",
    "stylize photos --out stylized-vgg19 --stylizer vgg19/decoder.pth --styles textures --per-image 1 --alpha 0.9"
    " --size 24",
    "cue-conflict photos --out conflicts --per-pair 1 --size 36 --seed 5 --device cpu",
    "cue-conflict photos --out conflicts-no-same --per-pair 2 --no-same --alpha 0.8 --size 32 --device cpu",
    "texture-grid photos --out grid --textures textures --count 3 --size 36 --seed 1",
    "corrupt photos --out photos-c --severities 1,5 --limit 4 --seed 2",
    "corrupt stylized-imagenet --out imagenet-c --limit 2 --seed 1",
    # Training: the seven schemes, then what else a training can be told.
    f"train --scheme in --out runs/in {TRAIN}",
    f"train --scheme shapenet-sin --out runs/shapenet-sin {TRAIN}",
    f"train --scheme shapenet-sin-in --out runs/shapenet-sin-in {TRAIN}",
    f"train --scheme shapenet --out runs/shapenet {TRAIN}",
    f"train --scheme mmsi-sin --out runs/mmsi-sin {TRAIN}",
    f"train --scheme mmsi-sin-in --out runs/mmsi-sin-in {TRAIN}",
    f"train --scheme mmsi --out runs/mmsi {TRAIN} --finetune-drop-every 1 --finetune-batch-size 8",
    f"train --scheme mmsi-sin-in --out runs/control {TRAIN} --lambda-m 0 --seed 1 --lr 0.01",
    f"train --scheme in --out runs/ema {TRAIN} --ema-decay 0.9 --clip-norm 1 --nesterov --test-crop 0.875",
    f"train --scheme mmsi-sin-in --out runs/apart {TRAIN} --batchnorm separate --stylized stylized --lambda-s 0.5",
    f"train --scheme mmsi-sin-in --out runs/channel {TRAIN} --axis channel --eps 0.001 --ramp-epochs 1 --alpha 0.7",
    f"train --scheme mmsi-sin-in --out runs/stages {TRAIN} --stages layer3,layer4 --styles textures",
    f"train --scheme in --out runs/adamw {TRAIN} --optimizer adamw --lr 0.001 --weight-decay 0.05"
    " --epochs 3 --schedule step --drop-every 2 --warmup-epochs 0.2",
    f"train --scheme mmsi-sin-in --out runs/accumulate {TRAIN} --grad-accum-steps 2 --min-crop 0.8 --lr 0.005",
    f"train --scheme in --out runs/vit {TRAIN} --model test_vit --optimizer adamw --lr 0.002 --epochs 1",
    f"train --scheme in --out runs/resnet18 {TRAIN} --model torchvision:resnet18 --epochs 1 --lr 0.001 --min-crop 0.7",
    f"train --scheme in --out runs/begun {TRAIN} --init runs/shapenet --epochs 1",
    # Hardly trained at all: networks that answer well, and the same on every processor.
    f"train --scheme in --out runs/clear {TRAIN} --init weights/clear.safetensors --lr 1e-5 --epochs 1",
    f"train --scheme shapenet-sin-in --out runs/partial {TRAIN} --init weights/partial.safetensors --lr 1e-5"
    " --epochs 1",
    "train --config runs/begun/config.json --out runs/configured --seed 9",
    f"{KILLED} {TRAIN} {LONGER}",
    "train --resume runs/killed",
    f"train --scheme mmsi --out runs/whole {TRAIN} {LONGER}",
    "export runs/mmsi --out exported/mmsi.safetensors",
    "export runs/clear --out exported/clear.pth",
    "export runs/resnet18 --out exported/resnet18.pth --library torchvision",
    # Measuring: every evaluator, over two networks each.
    "evaluate runs/clear runs/partial"
    " --evaluators accuracy,stylized,shape-bias,silhouettes,edges,sketches,dimensionality"
    f" --data shapes16 --pairs 100 --out results/shapes {MEASURE}",
    "evaluate runs/clear runs/partial --evaluators accuracy,stylized --data accuracy=shapes16 --data stylized=stylized"
    f" --limit 20 --crop 0.8 --seed 3 --out results/limited {MEASURE}",
    "evaluate runs/clear runs/partial --evaluators dimensionality --data shapes16/test --stage layer3 --pairs 60"
    f" --out results/stage {MEASURE}",
    f"evaluate {IMAGENET} --evaluators dimensionality --data grid --pairs 40 --out results/grid {MEASURE}",
    "evaluate runs/clear runs/partial --evaluators white-box --data shapes16 --limit 16 --epsilon 0.1,0.4"
    f" --out results/white-box {MEASURE}",
    "evaluate runs/clear --evaluators white-box --data shapes16 --limit 2 --attacks autoattack --epsilon 2"
    f" --out results/autoattack {MEASURE}",
    "evaluate runs/clear runs/partial --evaluators transfer-attack --source runs/clear --data shapes16 --limit 12"
    f" --attacks fgsm,mim --epsilon 1,4 --out results/transfer-attack {MEASURE}",
    f"evaluate {IMAGENET} --evaluators white-box --data nips17 --attacks ifgsm --targeted --epsilon 0.3,1"
    f" --out results/targeted {MEASURE}",
    f"evaluate {IMAGENET} --evaluators transfer-attack --source timm:test_resnet=weights/alpha.safetensors"
    f" --data nips17 --attacks pgd --epsilon 8 --out results/competition {MEASURE}",
    f"evaluate {IMAGENET} --evaluators stylized-imagenet,imagenet-sketch,shape-bias"
    " --data stylized-imagenet=stylized-imagenet --data imagenet-sketch=imagenet-sketch --data shape-bias=conflicts"
    f" --mapping max --out results/imagenet {MEASURE}",
    f"evaluate {IMAGENET} --evaluators accuracy --data imagenet --out results/published {MEASURE}",
    f"evaluate {IMAGENET} --evaluators corruptions --data imagenet-c --out results/imagenet-c {MEASURE}",
    "evaluate runs/clear runs/partial --evaluators corruptions --data shapes16 --limit 6 --out results/corruptions"
    f" {MEASURE}",
    "evaluate golden_network:network --classes classes.txt --evaluators accuracy,shape-bias --data shapes16"
    f" --out results/callable {MEASURE}",
    "evaluate timm:test_resnet --weights exported/clear.pth --remap-by-order --classes classes.txt"
    f" --evaluators accuracy --data shapes16 --out results/checkpoint {MEASURE}",
    "audit runs/clear runs/partial --data shapes16 --source runs/partial --limit 4 --attacks fgsm --epsilon 2"
    f" --pairs 50 --out audit {MEASURE}",
    "score-responses observers/anna.csv observers/ben.csv --out people --seed 1",
    # Other tasks.
    f"transfer runs/in runs/mmsi --data photos --lr 0.03,0.001 --seeds 0,1 --out transfer {TRANSFER}",
    f"transfer runs/in runs/mmsi --data photos --method linear --out transfer {TRANSFER}",
    f"transfer runs/in runs/mmsi --data photos --method knn --out transfer {TRANSFER}",
    f"transfer runs/in runs/mmsi --task voc12 --data VOCdevkit --lr 0.03,0.001 --seeds 0,1 --out transfer {TRANSFER}",
    f"transfer runs/in --task voc12 --data VOCdevkit --method linear --out transfer {TRANSFER}",
    f"transfer runs/in --task voc07 --data VOCdevkit --method knn --out transfer {TRANSFER}",
    f"transfer runs/in --task caltech101 --data tasks --method linear --out transfer {TRANSFER}",
    f"transfer runs/in --task cifar100 --data tasks --method linear --out transfer {TRANSFER}",
    f"transfer runs/in --task dtd --data tasks --lr 0.01 --crop 0.9 --optimizer adamw --out transfer {TRANSFER}",
    f"segment runs/in runs/mmsi --seeds 0,1 --out segmentation {SEGMENT}",
    f"segment runs/in runs/mmsi --freeze --seeds 0,1 --out segmentation-frozen {SEGMENT}",
    f"segment runs/in --head deeplab --output-stride 8 --out segmentation-deeplab {SEGMENT}",
    "cam transfer/in/voc12 transfer/mmsi/voc12 --data VOCdevkit --scales 1,.5 --out cam --device cpu",
    "cam transfer/in/voc12/seed-0 transfer/mmsi/voc12/seed-1 --data VOCdevkit --split val --scales 1 --no-flip"
    " --threshold 0.3 --size 40 --out cam-single --device cpu",
    f"segment runs/in --masks cam/in/seed-0/masks --out segmentation-pseudo {SEGMENT}",
    "ablation --model test_resnet --init runs/in --data VOCdevkit --out ablation --rows baseline,mmsi,stages-2"
    " --seeds 0,1 --lr 0.05,0.005 --epochs 3 --select-epochs 1 --batch-size 8 --size 32 --device cpu",
    # The pages.
    "report runs results people observers transfer segmentation segmentation-frozen cam ablation --out report.html",
)
