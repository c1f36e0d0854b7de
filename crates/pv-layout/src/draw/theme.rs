//! Colours, for a light and a dark page.
//!
//! The P2M is the darkest block on a light page and the lightest but text on a dark one, so that it stands out in grey
//! too; everything that is wrong is red and bold or hatched, never red alone. Fills are written out, without CSS
//! variables, because not every program that shows SVG knows those.

/// Style of every picture.
pub(super) const PICTURE: &str = "\
.rv{background:#ffffff}
.rv text{font-family:\"DejaVu Sans\",Verdana,\"Segoe UI\",sans-serif;font-size:13px;fill:#1f2328}
.rv .title{font-size:19px;font-weight:700}.rv .head{font-size:14px;font-weight:700}
.rv .name{font-size:14px;font-weight:700}.rv .small{font-size:12px;fill:#57606a}
.rv .mono{font-family:\"DejaVu Sans Mono\",Consolas,\"Liberation Mono\",monospace;font-size:12px}
.rv .alarm{font-size:14px;font-weight:700;fill:#b3121d}.rv .alarm.mono{font-size:12px}
.rv .on{fill:#ffffff}
.rv rect{stroke:#57606a;stroke-width:1}.rv .ground{fill:#ffffff;stroke:none}
.rv .kernel{fill:#b6d7f2}.rv .ramdisk{fill:#f3dfae}.rv .p2m{fill:#0b6b5d;stroke:#063d35}.rv .other{fill:#dcd3ec}
.rv .ram{fill:#eceff2;stroke:#a8b0b8}.rv .empty{fill:#ffffff;stroke:#a8b0b8;stroke-dasharray:4 4}
.rv .free{fill:#e2f5e4;stroke:#3f8f4c;stroke-dasharray:4 4}.rv .could{fill:#d5ebe7;stroke:#0b6b5d;stroke-dasharray:6 3}
.rv .hatch{stroke:#b3121d;stroke-width:3}.rv .thin{stroke-width:1.5;opacity:.6}.rv .stripe{stroke:#ffffff;stroke-width:3}
.rv .stripe2{stroke:#b3121d;stroke-width:3.4}.rv .chip{fill:#ffffff;stroke:#b3121d;stroke-width:1.5}.rv .quiet{stroke:none}.rv .arrow{fill:#0b6b5d}
.rv .area{stroke:#b3121d;stroke-width:3}.rv .way{fill:#0b6b5d;fill-opacity:.22}
.rv .way-out{fill:#0b6b5d;fill-opacity:.12;stroke:#0b6b5d;stroke-dasharray:6 4;stroke-width:1}
.rv .tear{fill:none;stroke:#ffffff;stroke-width:6}.rv .torn{fill:none;stroke:#8c959f;stroke-width:1.2}
.rv .axis{stroke:#57606a;stroke-width:1}.rv .grid{stroke:#d0d7de;stroke-width:1}
.rv .curve{fill:none;stroke:#b3121d;stroke-width:3}.rv .collides{fill:#b3121d;fill-opacity:.16}
@media (prefers-color-scheme:dark){
.rv,.rv .ground{background:#0d1117}.rv .ground{fill:#0d1117}
.rv text{fill:#e6edf3}.rv .small{fill:#9da7b3}.rv .alarm{fill:#ff8a8f}.rv .on{fill:#04201b}
.rv rect{stroke:#8b949e}.rv .kernel{fill:#1f4e79}.rv .ramdisk{fill:#5e4a17}.rv .p2m{fill:#5fd3bd;stroke:#b8f2e6}
.rv .other{fill:#463a63}.rv .ram{fill:#21262d;stroke:#57606a}.rv .empty{fill:#0d1117;stroke:#57606a}
.rv .free{fill:#10301a;stroke:#4fae63}.rv .could{fill:#103b35;stroke:#5fd3bd}.rv .hatch{stroke:#ff6b73}.rv .arrow{fill:#5fd3bd}
.rv .stripe{stroke:#0d1117}.rv .stripe2{stroke:#ff6b73}.rv .chip{fill:#0d1117;stroke:#ff6b73}.rv .quiet{stroke:none}.rv .area{stroke:#ff6b73}
.rv .way{fill:#5fd3bd}.rv .way-out{fill:#5fd3bd;stroke:#5fd3bd}.rv .tear{stroke:#0d1117}.rv .torn{stroke:#8b949e}
.rv .axis{stroke:#8b949e}.rv .grid{stroke:#30363d}.rv .curve{stroke:#ff6b73}.rv .collides{fill:#ff6b73}
}
";

/// Style of the page around the pictures.
pub(super) const PAGE: &str = "\
:root{color-scheme:light dark}
body{margin:0 auto;max-width:1180px;padding:1rem;font:16px/1.5 system-ui,\"DejaVu Sans\",Verdana,sans-serif;\
color:#1f2328;background:#ffffff;overflow-wrap:break-word}
h1{font-size:1.5rem}h2{font-size:1.25rem;margin-top:2.5rem}figure{margin:0}
svg{display:block;width:100%;height:auto}.narrow{display:none}
.finding{border-left:4px solid #57606a;padding:.1rem .9rem;margin:1rem 0;background:#f6f8fa}
.finding.problem{border-color:#b3121d}.finding h3{margin:.4rem 0;font-size:1rem}.finding p{margin:.4rem 0}
table{border-collapse:collapse;font-size:.9rem;margin:1rem 0}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #d0d7de;white-space:nowrap}
td.n,th.n{text-align:right}code,.a{font-family:\"DejaVu Sans Mono\",Consolas,monospace;font-size:.85rem}
@media (max-width:760px){.wide{display:none}.narrow{display:block}
table,tbody,tr,caption{display:block}thead{display:none}tr{border-bottom:1px solid #d0d7de;padding:.4rem 0}
th[scope=row]{display:block;border:0;padding:0}td,td.n{display:flex;justify-content:space-between;border:0;padding:0}
td::before{content:attr(data-what);font-family:system-ui,\"DejaVu Sans\",Verdana,sans-serif}}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}.finding{background:#161b22}
.finding.problem{border-color:#ff6b73}tr,th,td{border-color:#30363d}}
";
