"""The paper's ablation (Table 7): the effects of MMSI term, style loss and number of stages on multi-label VOC2012."""
