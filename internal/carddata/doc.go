// Package carddata finds the data of payment cards, so that none of it is taken in.
//
// Whoever stores a card number (PAN, primary account number) has to meet PCI DSS, and nobody may store a card's
// security code after the authorization (PCI DSS v4.0, requirements 3.3 and 3.5). Penstock needs neither: the shop's
// payment provider makes a token of the card, and the order carries the token.
//
// # What is taken for a card number
//
// A row of 12 to 19 digits whose first digits and length are those of a card scheme (see schemes) and whose last digit
// is right by the Luhn formula: ISO/IEC 7812-1 says both the lengths and the formula. Nine of ten numbers that merely
// look like one fail the formula.
//
//   - Digits are those of every script (Unicode category Nd). Characters that are not seen count for nothing.
//   - Up to three spaces, dashes, dots, or one of _ / | + \ may stand between two groups of digits, in every Unicode
//     form, and as &nbsp; or %20. Commas may not: lists have them.
//   - The groups are those of a card: fours with a rest at the end, 4-6-5, 4-6-4 or 4-3-3-3, with any separators,
//     also with more groups before or behind. Other groups count if no further digits stand beside them, and if they
//     are separated by spaces and dashes, or all by the same, and if they are five at most, or of three digits and more, or
//     of one digit each. So a list of shoe sizes is no card.
//   - Letters may stand directly beside the digits, as in the data of the magnetic stripe: %B4111111111111111^DOE/J^3012…
//   - A longer row of digits counts only when it is a card number with an expiry date behind it (MMYY or YYMM), and
//     perhaps a security code: 41111111111111111230. Otherwise one of two rows of 30 digits would have a card in it.
//   - A number of JSON counts by its value, if that is whole: 4111111111111111, 4.111111111111111e15.
//
// # What is not
//
//   - What is behind "+" and has at most 15 digits: a telephone number (ITU-T E.164).
//
//   - 12 or 13 digits with a right check digit by GS1: an article number (GTIN-12, GTIN-13, ISBN-13). Most articles of
//     German shops begin with 4, as Visa does.
//
//   - 13 digits that begin with 43, 44 or 49: telephone numbers of Austria, Britain and Germany as programs write them. And 13 digits
//     as a number of JSON: an id or a time. Visa has issued no cards of 13 digits for decades; those that are
//     still used in tests are found.
//
//   - IBANs whose check digits are right (ISO 13616, ISO/IEC 7064 MOD 97-10).
//
//   - UUIDs, and hexadecimal words of 20 characters or more with at least three letters: keys and digests. One in some
//     thousand would have a card number in it by chance.
//
//   - The digits behind a decimal point: the coordinates of a shop in Berlin, 52.52000659999999, begin like a Mastercard.
//
//   - Schemes that are not in the table, such as UATP (1…, 15 digits): ids of 15 digits begin so. IMEIs pass Luhn; of
//     their first digits and length there is no card.
//
//   - Customer and gift cards of shops: most begin with 60, 627 or 63 and have a Luhn digit. Of these only the ranges that
//     payment schemes issue are in the table.
//
//   - Groups of 3, 7 and 7 digits: order numbers of Amazon.
//
// What is left: one in ten of the shop's own numbers with the length and the first digits of a scheme is refused, and every
// one if the shop gives its numbers a Luhn digit. That holds for an idempotency key also: of the random numbers of
// JavaScript one in fifty is a card number by its digits behind the point. A letter within the number, or groups of fewer
// than 12 digits in all, make it one that is never refused.
//
// # By the name of the member
//
// A security code has three or four digits, which tell nothing. So in a document it is the name of the member that
// counts (cvv, cvc, security_code and the like), if three or four digits are its value. Under card_number, pan and the
// like 12 to 19 digits are refused also if they are not a card number: somebody has mistyped one.
//
// A number that is spread over several members, or encoded (base64), is not found.
package carddata
