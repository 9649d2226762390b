//! Rewrites addresses through lookup tables, as Postfix canonical_maps does.
