"""Trainings of the recommender, to read. Campaigns and segments have pages of their own, and persons none."""

from django.contrib import admin

from config.readonly import ReadOnlyAdmin
from marketing.models import RecommenderRun


@admin.register(RecommenderRun)
class RecommenderRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "algorithm", "seed", "status", "is_serving", "queued_at", "finished_at")
    list_filter = ("status", "is_serving")
