package guard

// NoticeDeniedRead: somebody tried to read a secret, or decrypt with its key, and was refused.
const NoticeDeniedRead NoticeKind = "read_denied"
