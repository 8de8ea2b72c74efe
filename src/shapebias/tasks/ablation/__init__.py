"""The paper's ablation (Table 7): what the MMSI term, the style loss and further stages do for multi-label VOC2012."""
