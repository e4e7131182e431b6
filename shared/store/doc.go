// Package store says what outlives a process: versioned documents, a journal, claims, counters and bookmarks. It names
// what is kept and how it may be written, and looks into none of it; package cloud keeps it all in one DynamoDB table.
package store
