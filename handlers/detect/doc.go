// Package detect takes what CloudTrail recorded, inspects what is true now, and records, tags and publishes what follows.
//
// An event only says where to look: every decision is made from a fresh Describe, and every step is safe to repeat. It
// never changes a key, never reads a value, and is never set off by what Doublelock itself wrote.
package detect
