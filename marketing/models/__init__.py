from marketing.models.api_keys import ApiKey
from marketing.models.campaigns import Campaign, CampaignEvent, CampaignStep, Delivery, InboxMessage
from marketing.models.dormancy import DormancyFit, DormancyRun, Reactivation
from marketing.models.events import Acquisition, AnonymousIdentity, Event, EventKey
from marketing.models.look_alikes import LookAlike, LookAlikeSet
from marketing.models.metrics import MetricAlert, MetricAlertEvent, MetricDay, OverviewDay, SavedQuestion
from marketing.models.next_actions import NextAction, NextActionRun
from marketing.models.privacy import ErasureRequest
from marketing.models.profiles import Dormancy, DormancyChange, Profile, ProfileBuild
from marketing.models.segments import Purpose, Segment, SegmentExport, SegmentMember, SegmentSize, SegmentSnapshot, SegmentVersion
from marketing.models.showing import FollowedFund, NotInterested, SuggestionImpression, Surface
from marketing.models.suggestions import InvestorFactors, RecommenderPart, RecommenderRun, Suggestion
from marketing.models.tags import Tag, TagChange, TagRefresh, TagSize, TagWords

__all__ = [
    "Acquisition",
    "AnonymousIdentity",
    "ApiKey",
    "Campaign",
    "CampaignEvent",
    "CampaignStep",
    "Delivery",
    "Dormancy",
    "DormancyChange",
    "DormancyFit",
    "DormancyRun",
    "ErasureRequest",
    "Event",
    "EventKey",
    "FollowedFund",
    "InboxMessage",
    "InvestorFactors",
    "LookAlike",
    "LookAlikeSet",
    "MetricAlert",
    "MetricAlertEvent",
    "MetricDay",
    "NextAction",
    "NextActionRun",
    "NotInterested",
    "OverviewDay",
    "Profile",
    "ProfileBuild",
    "Purpose",
    "Reactivation",
    "RecommenderPart",
    "RecommenderRun",
    "SavedQuestion",
    "Segment",
    "SegmentExport",
    "SegmentMember",
    "SegmentSize",
    "SegmentSnapshot",
    "SegmentVersion",
    "Suggestion",
    "SuggestionImpression",
    "Surface",
    "Tag",
    "TagChange",
    "TagRefresh",
    "TagSize",
    "TagWords",
]
