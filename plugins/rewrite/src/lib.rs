//! Address rewriting shared by the canonical, generic and masquerade filters.
