// Package notify tells visitors who asked for it that it is their turn: by Web Push (RFC 8030, 8291 and 8292), or
// by a webhook of the shop, which sends an e-mail.
//
// A [Desk] takes the wishes, on the nodes that serve visitors. They are in the ledger, sealed, and nowhere else.
// A [Teller] is a task of the leader. It knows the number of everybody who asked, asks the waiting room who of
// them is called, and has them told, each at least once: a wish is removed after its visitor was told. Should the
// leader be killed between the two, the next one tells again, with the same name of the message: a browser shows
// one notification, and a shop recognises what it had before.
//
// Calls go to addresses that visitors and operators have written down. They are made by one kind of client
// ([newClient]), which follows no redirect and connects to public addresses alone.
package notify
