// Package table keeps what outlives a process in one DynamoDB table: the records of resources, and the documents,
// journal, claims, counters and bookmarks of package store.
package table
