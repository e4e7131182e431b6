// Package trail reads CloudTrail as EventBridge or a log file delivers it, and says where to look.
//
// It is the only room that knows that JSON. It makes no call to AWS and decides nothing about a secret: an event is
// a hint, and what is true is for Describe to say. It never keeps a secret value, even if an event carried one.
package trail
