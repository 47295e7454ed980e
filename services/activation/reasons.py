"""Why a rostered person has the account they have, or none: a plain sentence for each rule's code.

The codes are those of `matching.sql`; the sentences are read by people at the desk and never name anybody.
"""

REASONS: dict[str, str] = {
    "same-email": "The account has the rostered email.",
    "kept-link": "The account was found by an earlier email of this person; a new email keeps it.",
    "signed-in": "The person said at sign-in that this is their account.",
    "reviewer": "A reviewer said that this is the person's account.",
    "imported": "The account came with this person's id at the district's provider.",
    "no-account": "No account has this person's email; the person is asked at their first sign-in.",
    "asked-by-reviewer": "A reviewer let this be asked at the person's next sign-in.",
    "email-and-id-differ": "The rostered email points to one account and the person's id to another.",
    "several-accounts": "Several accounts have the rostered email.",
    "shared-email": "Several rostered people of the district share this email, and an account has it.",
    "student-and-teacher": "A student and a teacher are rostered with this email.",
    "account-taken": "The account with this email belongs, or could belong, to another person of the district.",
    "recycled-email": "The account with this email belonged to another person of the district, who has left; the email "
    "seems to have been given to somebody new.",
    "left-roster": "The person is no longer in the district's roster; the account and its work stay.",
}
"""The sentence for each code."""
