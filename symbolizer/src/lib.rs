//! Native and Erlang names stitched into one frame list.
