from advisor.models.advice import Clearance, GoalEvent, Override, OverrideEvent, Proposal, ProposalEvent, Task
from advisor.models.assessment import Assessment, LevelChange
from advisor.models.behaviour import BehaviourNight, BehaviourReading
from advisor.models.following import FollowCursor, ProposalDue
from advisor.models.instruments import InstrumentVersion
from advisor.models.people import Account, Branch, Consent, Cover, Goal, Household, Investor, Level, StaffMember
from advisor.models.privacy import DataAccess
from advisor.models.purchases import OwnPurchase, OwnPurchaseEvent, ProposalWarning
from advisor.models.readvice import Readvice, ReadviceBlock, ReadviceRun
from advisor.models.reassessment import GoalHigh, LevelHold, LevelReview, Notice, ReviewTrigger
from advisor.models.record import (
    AdvicePayload,
    AdviceRecord,
    RecordFinding,
    RecordHead,
    RecordKind,
    RecordRoot,
    RecordVerification,
)

__all__ = [
    "Account",
    "AdvicePayload",
    "AdviceRecord",
    "Assessment",
    "BehaviourNight",
    "BehaviourReading",
    "Branch",
    "Clearance",
    "Consent",
    "Cover",
    "DataAccess",
    "FollowCursor",
    "Goal",
    "GoalEvent",
    "GoalHigh",
    "Household",
    "InstrumentVersion",
    "Investor",
    "Level",
    "LevelChange",
    "LevelHold",
    "LevelReview",
    "Notice",
    "Override",
    "OverrideEvent",
    "OwnPurchase",
    "OwnPurchaseEvent",
    "Proposal",
    "ProposalDue",
    "ProposalEvent",
    "ProposalWarning",
    "Readvice",
    "ReadviceBlock",
    "ReadviceRun",
    "RecordFinding",
    "RecordHead",
    "RecordKind",
    "RecordRoot",
    "RecordVerification",
    "ReviewTrigger",
    "StaffMember",
    "Task",
]
