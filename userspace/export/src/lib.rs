//! One file per format: SVG, folded, pprof, speedscope.
