// Package outbox keeps each notice as an item of its own from when it is decided until it is published: whoever decides it
// publishes it, and what could not be published then is drained later.
package outbox
