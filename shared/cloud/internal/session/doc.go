// Package session is how we call AWS: credentials, member roles, one client a location, retries, time limits, and what
// AWS's errors mean. The packages of package cloud are built on it; nobody else can import it.
package session
