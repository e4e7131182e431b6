// Package sweep finds what no event told: by the clock it looks at every secret of every account and Region, and at
// every one that is remembered, and it tells each owner what is still open.
//
// It decides nothing by itself: each look is the one that an event would have led to.
package sweep
