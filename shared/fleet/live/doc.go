// Package live joins the fleet to AWS and to doublelock.yaml: the one set of adapters that the functions and the
// command line share.
//
// It decides nothing: what it makes is judged in fleet and migration.
package live
