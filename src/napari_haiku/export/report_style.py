"""How a report looks."""

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 0 auto; max-width: 1100px;
       padding: 0 20px 40px; }
h1 { font-size: 24px; } h2 { font-size: 18px; margin-top: 32px; } h3 { font-size: 15px; }
.research { font-weight: 600; color: #7A5B00; margin: 0 0 6px; }
.caution { background: #FFF6DC; border-left: 4px solid #E3B617; margin: 0 0 6px;
           padding: 8px 12px; }
.words del { color: #0B4FA0; } .words ins { color: #B34700; font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #DDD; padding: 3px 8px; text-align: left; white-space: nowrap; }
tr.faint td { color: #9A9FA8; } tr.none td { color: #777; font-style: italic; }
.wide, .chart { overflow-x: auto; }
figure { margin: 0 0 16px; } figcaption { color: #55585E; font-size: 13px; }
.gallery { display: flex; flex-wrap: wrap; gap: 14px; }
.gallery figure { width: 130px; margin: 0; }
footer { border-top: 1px solid #DDD; color: #55585E; margin-top: 40px; padding-top: 8px; }
@media print { .wide { overflow: visible; font-size: 9px; } section { break-inside: avoid-page; } }
"""
