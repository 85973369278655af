"""What can go wrong when somebody signs in. A slug with underscores is the code that the clients know."""

from core.errors import LeadFuelError


class ValidationFailed(LeadFuelError):
    """Something in the request to sign in is missing or malformed."""

    status = 400
    slug = "validation-failed"
    title = "The request is not complete or not valid"


class EmailAddressInvalid(LeadFuelError):
    """The address cannot be one of e-mail."""

    status = 400
    slug = "email-address-invalid"
    title = "Not an e-mail address"


class InvalidCredentials(LeadFuelError):
    """Address and password do not belong together; whether there is such an account is not said."""

    status = 400
    slug = "invalid-credentials"
    title = "Address or password is wrong"


class EmailNotConfirmed(LeadFuelError):
    """The password is right, but the address has not been confirmed by the link in the mail."""

    status = 400
    slug = "email-not-confirmed"
    title = "The address is not confirmed"


class UserBanned(LeadFuelError):
    """The account has been closed for a time, or for good."""

    status = 403
    slug = "user-banned"
    title = "The account is closed"


class UserAlreadyExists(LeadFuelError):
    """There is an account under this address. Said only where addresses are taken at their word."""

    status = 422
    slug = "user-already-exists"
    title = "The address has an account"


class EmailExists(LeadFuelError):
    """Another account has this address."""

    status = 422
    slug = "email-exists"
    title = "The address is taken"


class WeakPassword(LeadFuelError):
    """The password is too short or known from a breach; `weak_password.reasons` says which."""

    status = 422
    slug = "weak-password"
    title = "The password is weak"


class SamePassword(LeadFuelError):
    """The new password is the old one."""

    status = 422
    slug = "same-password"
    title = "The password is not new"


class SignupDisabled(LeadFuelError):
    """This installation takes nobody new, or nobody who is not invited."""

    status = 422
    slug = "signup-disabled"
    title = "Signing up is not possible"


class RefreshTokenNotFound(LeadFuelError):
    """The refresh token is not one of ours, or its session is over."""

    status = 400
    slug = "refresh-token-not-found"
    title = "There is no such refresh token"


class RefreshTokenAlreadyUsed(LeadFuelError):
    """The refresh token was used before. Somebody else may have it, so the whole session is over."""

    status = 400
    slug = "refresh-token-already-used"
    title = "The refresh token was used before"


class SessionNotFound(LeadFuelError):
    """The session that the token belongs to is over."""

    status = 403
    slug = "session-not-found"
    title = "The session is over"


class OtpExpired(LeadFuelError):
    """The link or code is wrong, was used, or is too old: which of them is not said."""

    status = 403
    slug = "otp-expired"
    title = "The link or code is no good"


class FlowStateNotFound(LeadFuelError):
    """The code was not issued here, was used, or is too old."""

    status = 404
    slug = "flow-state-not-found"
    title = "There is no such sign-in under way"


class BadCodeVerifier(LeadFuelError):
    """The code verifier is not the one whose challenge the sign-in began with."""

    status = 400
    slug = "bad-code-verifier"
    title = "The code verifier does not fit"


class ReauthenticationNotValid(LeadFuelError):
    """The nonce is wrong, was used, or is too old."""

    status = 422
    slug = "reauthentication-not-valid"
    title = "The nonce is no good"


class ProviderRefused(LeadFuelError):
    """The provider did not vouch for anybody: it said no, or what it said cannot be trusted."""

    status = 422
    slug = "bad-oauth-callback"
    title = "The provider did not vouch"


class BadOauthState(LeadFuelError):
    """The sign-in by a provider did not begin in this browser, or too long ago."""

    status = 400
    slug = "bad-oauth-state"
    title = "No such sign-in under way"


class ProviderEmailNeedsVerification(LeadFuelError):
    """The provider does not say that the address is its owner's, so no account is given for it."""

    status = 422
    slug = "provider-email-needs-verification"
    title = "The provider has not verified the address"


class MfaFactorNotFound(LeadFuelError):
    """You have no such second factor."""

    status = 404
    slug = "mfa-factor-not-found"
    title = "There is no such factor"


class MfaFactorNameConflict(LeadFuelError):
    """Another of your second factors has this name."""

    status = 422
    slug = "mfa-factor-name-conflict"
    title = "The name is taken"


class TooManyEnrolledMfaFactors(LeadFuelError):
    """You have as many second factors as there can be; remove one first."""

    status = 422
    slug = "too-many-enrolled-mfa-factors"
    title = "Too many factors"


class MfaChallengeExpired(LeadFuelError):
    """The challenge is too old, was met, or was tried too often; make a new one."""

    status = 422
    slug = "mfa-challenge-expired"
    title = "The challenge is over"


class MfaVerificationFailed(LeadFuelError):
    """The code is wrong, too old, or was used before."""

    status = 422
    slug = "mfa-verification-failed"
    title = "The code is no good"


class InsufficientAal(LeadFuelError):
    """Your account has a second factor, and this session has not shown it."""

    status = 403
    slug = "insufficient-aal"
    title = "Show the second factor first"


class UserNotFound(LeadFuelError):
    """There is no such user."""

    status = 404
    slug = "user-not-found"
    title = "There is no such user"


class OverRequestRateLimit(LeadFuelError):
    """Too many attempts for this account or from this network; wait for `retry_after_s`."""

    status = 429
    slug = "over-request-rate-limit"
    title = "Too many requests"
