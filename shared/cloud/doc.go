// Package cloud is the one client of AWS: every remote call goes through it, bounded in time and retried with care.
//
// Below it is one package for each AWS service, so that a function links only those that it calls. They read and change
// what they are told to and answer in guard's words; no SDK type leaves them and they decide nothing. None but Seal reads
// a secret's value, and sandbox those that it made itself, and none touches a foreign account with its own credentials.
package cloud
