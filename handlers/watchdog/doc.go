// Package watchdog sees readers that lose access and accounts that fall silent.
//
// It judges denied reads one by one, and by the clock it looks whether each account and Region is still alive. It
// reads no value of a secret and, by itself, changes none.
package watchdog
