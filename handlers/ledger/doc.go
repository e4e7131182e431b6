// Package ledger keeps who used which secret on which day, from reads that member accounts forward.
//
// It counts each principal once a day, so that an event that comes twice, or late, changes nothing, and a secret that is read a million
// times a day makes no million writes. Of an event it keeps principal, secret, version, kind of use and day.
package ledger
