// Package store says what outlives a process: versioned documents, lists that grow, a journal, claims, counters and
// bookmarks. It names what is kept and how it may be written, and looks into none of it; package cloud keeps it all in one
// DynamoDB table. What a newer version wrote survives it: see Merge.
package store
