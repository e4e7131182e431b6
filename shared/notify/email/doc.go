// Package email renders a message as the plain text of an e-mail: one clear message a person can act on without
// opening anything else. It holds no link, because a mail that asks people to click teaches them the wrong thing.
package email
