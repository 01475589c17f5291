from django.urls import path

from marketing.views.suggestions import suggestions_slot

urlpatterns = [
    # suggestions
    path("suggestions/", suggestions_slot, name="suggestions_slot"),
]
