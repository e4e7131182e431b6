// Package remediate decides whether a secret that failed its control is moved to a customer managed key, and to which,
// and has the machine of package migration move it. It changes nothing itself.
//
// It decides afresh from what is true now, however old the notice is that asked.
package remediate
