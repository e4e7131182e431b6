// Package keyreview judges customer managed keys by the controls DL.KEY.1 to 7: whose they are, how they rotate, who may
// use them, what depends on them. Each finding shows the statement and the smallest change of the policy that mends it.
//
// It asks package policy about a snapshot of package inventory. It changes nothing and does no I/O.
package keyreview
