from marketing.models.campaigns import Campaign, CampaignEvent, CampaignStep, Delivery, InboxMessage
from marketing.models.events import Event, EventKey
from marketing.models.profiles import Dormancy, DormancyChange, Profile, Segment
from marketing.models.suggestions import RecommenderRun, Suggestion

__all__ = [
    "Campaign",
    "CampaignEvent",
    "CampaignStep",
    "Delivery",
    "Dormancy",
    "DormancyChange",
    "Event",
    "EventKey",
    "InboxMessage",
    "Profile",
    "RecommenderRun",
    "Segment",
    "Suggestion",
]
