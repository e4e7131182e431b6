// Package inventory is what there is: principals, their policies, secrets and keys of an organization, as one snapshot
// that can be saved, and the question who can open which secret with it.
//
// It asks package policy and does no I/O. What the snapshot does not hold stays unknown, and unknown is neither a yes
// nor a no.
package inventory
