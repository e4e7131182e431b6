// Package sweep finds what no event showed: by the clock it inspects every secret of every account and Region, and every
// one that is remembered, and it sends each owner what is still open.
//
// It decides nothing by itself: each look is the one that an event would have led to.
package sweep
